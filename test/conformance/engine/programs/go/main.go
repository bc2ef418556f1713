// A program of the suite in Go: the real types of the SDK, with what `model.json` says.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
	"github.com/stasis-iac/stasis/sdk/go/stasis"
)

// Text is a text as it stands, a secret, or what another resource gives out.
type Text struct {
	Plain  string
	Secret string    `json:"secret"`
	From   [2]string `json:"from"`
}

// UnmarshalJSON reads a text that may be a string.
func (text *Text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &text.Plain)
	}
	type fields Text
	return json.Unmarshal(data, (*fields)(text))
}

// Member is one stateful part.
type Member struct {
	Postgres *struct {
		Url        Text    `json:"url"`
		ClientPath *string `json:"clientPath"`
	} `json:"postgres"`
	Redis *struct {
		Url Text `json:"url"`
	} `json:"redis"`
	Files *struct {
		Path Text `json:"path"`
	} `json:"files"`
}

// Probe is a question to a member.
type Probe struct {
	Member  string   `json:"member"`
	Command []string `json:"command"`
	Expect  *string  `json:"expect"`
}

// Model is a resource of the program.
type Model struct {
	Kind     string            `json:"kind"`
	Id       string            `json:"id"`
	Formerly string            `json:"formerly"`
	Imports  string            `json:"imports"`
	Name     string            `json:"name"`
	Wanted   Text              `json:"wanted"`
	Snapshot Text              `json:"snapshot"`
	Other    *Text             `json:"other"`
	Members  map[string]Member `json:"members"`
	Store    struct {
		Path string `json:"path"`
	} `json:"store"`
	Triggers       map[string]string `json:"triggers"`
	Probes         map[string]Probe  `json:"probes"`
	MaxPauseMs     *int              `json:"maxPauseMs"`
	DeletionPolicy string            `json:"deletionPolicy"`
	Sign           struct {
		KeyFile string `json:"keyFile"`
	} `json:"sign"`
	MaxAge *string `json:"maxAge"`
}

// Database is the type of a cloud's database, as an SDK would have it.
type Database struct {
	pulumi.CustomResourceState

	Url pulumi.StringOutput `pulumi:"url"`
}

type program struct {
	ctx       *pulumi.Context
	config    *config.Config
	snapshots map[string]*stasis.Snapshot
	databases map[string]*Database
}

func (p *program) text(text Text) pulumi.StringInput {
	if text.Secret != "" {
		return p.config.RequireSecret(text.Secret)
	}
	if text.From[0] == "" {
		return pulumi.String(text.Plain)
	}
	if database, ok := p.databases[text.From[0]]; ok {
		return database.Url
	}
	return p.snapshots[text.From[0]].Reference
}

func (p *program) members(members map[string]Member) stasis.MemberMap {
	all := stasis.MemberMap{}
	for name, member := range members {
		args := &stasis.MemberArgs{}
		if member.Postgres != nil {
			args.Postgres = &stasis.PostgresMemberArgs{
				Url:        p.text(member.Postgres.Url),
				ClientPath: pulumi.StringPtrFromPtr(member.Postgres.ClientPath),
			}
		}
		if member.Redis != nil {
			args.Redis = &stasis.RedisMemberArgs{Url: p.text(member.Redis.Url)}
		}
		if member.Files != nil {
			args.Files = &stasis.FilesMemberArgs{Path: p.text(member.Files.Path)}
		}
		all[name] = args
	}
	return all
}

func options(model Model) []pulumi.ResourceOption {
	var all []pulumi.ResourceOption
	if model.Formerly != "" {
		all = append(all, pulumi.Aliases([]pulumi.Alias{{Name: pulumi.String(model.Formerly)}}))
	}
	if model.Imports != "" {
		all = append(all, pulumi.Import(pulumi.ID(model.Imports)))
	}
	return all
}

func (p *program) add(model Model) (err error) {
	store := &stasis.StoreArgs{Path: pulumi.String(model.Store.Path)}
	var triggers pulumi.StringMapInput
	if model.Triggers != nil {
		triggers = pulumi.ToStringMap(model.Triggers)
	}
	switch model.Kind {
	case "Database":
		database := &Database{}
		p.databases[model.Id] = database
		return p.ctx.RegisterResource("standin:index:Database", model.Id, pulumi.Map{"wanted": p.text(model.Wanted)}, database)
	case "Snapshot":
		args := &stasis.SnapshotArgs{
			Name:     pulumi.String(model.Name),
			Members:  p.members(model.Members),
			Store:    store,
			Triggers: triggers,
		}
		probes := stasis.ProbeMap{}
		for name, probe := range model.Probes {
			probes[name] = &stasis.ProbeArgs{
				Member:  pulumi.String(probe.Member),
				Command: pulumi.ToStringArray(probe.Command),
				Expect:  pulumi.StringPtrFromPtr(probe.Expect),
			}
		}
		if len(probes) > 0 {
			args.Probes = probes
		}
		if model.MaxPauseMs != nil {
			args.MaxPauseMs = pulumi.Int(*model.MaxPauseMs)
		}
		if model.DeletionPolicy != "" {
			args.DeletionPolicy = stasis.DeletionPolicy(model.DeletionPolicy)
		}
		p.snapshots[model.Id], err = stasis.NewSnapshot(p.ctx, model.Id, args, options(model)...)
		return err
	case "Restore":
		args := &stasis.RestoreArgs{
			Snapshot: p.text(model.Snapshot),
			Members:  p.members(model.Members),
			Store:    store,
			Triggers: triggers,
		}
		_, err = stasis.NewRestore(p.ctx, model.Id, args, options(model)...)
		return err
	case "Drill":
		args := &stasis.DrillArgs{
			Snapshot: p.text(model.Snapshot),
			Members:  p.members(model.Members),
			Store:    store,
			Sign:     &stasis.SigningArgs{KeyFile: pulumi.String(model.Sign.KeyFile)},
			MaxAge:   pulumi.StringPtrFromPtr(model.MaxAge),
			Triggers: triggers,
		}
		_, err = stasis.NewDrill(p.ctx, model.Id, args, options(model)...)
		return err
	case "Comparison":
		args := &stasis.ComparisonArgs{
			Snapshot: p.text(model.Snapshot),
			Store:    store,
			MaxAge:   pulumi.StringPtrFromPtr(model.MaxAge),
			Triggers: triggers,
		}
		if model.Other != nil {
			args.Other = p.text(*model.Other).ToStringOutput().ToStringPtrOutput()
		}
		if model.Members != nil {
			args.Members = p.members(model.Members)
		}
		_, err = stasis.NewComparison(p.ctx, model.Id, args, options(model)...)
		return err
	default:
		return fmt.Errorf("there is no resource %q", model.Kind)
	}
}

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		data, err := os.ReadFile("model.json")
		if err != nil {
			return err
		}
		var all struct {
			Resources []Model `json:"resources"`
		}
		if err := json.Unmarshal(data, &all); err != nil {
			return err
		}
		p := &program{ctx, config.New(ctx, ""), map[string]*stasis.Snapshot{}, map[string]*Database{}}
		for _, model := range all.Resources {
			if err := p.add(model); err != nil {
				return err
			}
		}
		return nil
	})
}
